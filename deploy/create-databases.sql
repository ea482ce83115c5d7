-- Run once by the PostgreSQL image: one database per silo. No silo can see another's.
create database control;
create database us1;
create database us2;
create database de1;
