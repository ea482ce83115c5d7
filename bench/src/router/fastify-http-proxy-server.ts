import fastifyHttpProxy from "@fastify/http-proxy";
import { fastify } from "fastify";
import { findOrigin, readSlugMap } from "./slug-map.js";

/** A process of its own: @fastify/http-proxy with a map of organizations in front. Arguments: port, map file. */

const [port, mapFile = ""] = process.argv.slice(2);
const map = readSlugMap(mapFile);
const server = fastify();
await server.register(fastifyHttpProxy, {
  upstream: "",
  undici: { connections: 512, headersTimeout: 30_000 },
  preHandler: (request, reply, done) => {
    if (findOrigin(map, request.url) !== undefined) done();
    else void reply.code(404).send();
  },
  replyOptions: { getUpstream: (request) => findOrigin(map, request.url ?? "") ?? "" },
});
await server.listen({ port: Number(port), host: "127.0.0.1" });
