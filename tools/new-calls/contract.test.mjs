import { readFileSync } from "node:fs";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "@jest/globals";
import { findNews, readImage } from "./contract.mjs";

test("a method and a request's field are new when one of the releases lacks them", () => {
  const image = readFileSync(new URL("../../proto/releases/0.1.0.binpb", import.meta.url));
  const older = fromBinary(FileDescriptorSetSchema, image);
  const organization = older.file.find(({ name }) => name === "cellway/organization/v1/organization.proto");
  const outbox = older.file.find(({ name }) => name === "cellway/outbox/v1/outbox.proto");
  const service = organization?.service[0];
  const batch = outbox?.messageType.find(({ name }) => name === "MessageBatch");
  if (service === undefined || batch === undefined) throw new Error("the release is not what this test knows");
  service.method = service.method.filter(({ name }) => name !== "ListTeams");
  batch.field = batch.field.filter(({ name }) => name !== "budget_ms");
  const releases = new Map([
    ["0.1.0", readImage(image)],
    ["0.0.9", readImage(toBinary(FileDescriptorSetSchema, older))],
  ]);
  const news = findNews(readImage(image), releases);
  expect(news.methods).toEqual([
    { service: "OrganizationService", localName: "listTeams", localMode: "CELL", lacking: ["0.0.9"] },
  ]);
  expect(news.fields).toEqual([
    {
      name: "budget_ms",
      localName: "budgetMs",
      message: "MessageBatch",
      lacking: ["0.0.9"],
      methods: [
        { service: "ControlInboxService", localName: "deliverToControl", localMode: "CONTROL" },
        { service: "CellInboxService", localName: "deliverToCell", localMode: "CELL" },
      ],
    },
  ]);
});
