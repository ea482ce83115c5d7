import { expect, test } from "@jest/globals";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { createOpenApiDocument } from "./openapi.js";
import { echo, numbers, old, startTestServer } from "./test-support.js";

test("the document lints clean, and a document with an error does not", async () => {
  // Our paths end with a slash, as the SDKs that call them write it.
  const config = await createConfig({ extends: ["recommended"], rules: { "no-path-trailing-slash": "off" } });
  const lint = async (document: unknown) =>
    (await lintFromString({ source: JSON.stringify(document), absoluteRef: "openapi.json", config })).map(
      ({ ruleId, message }) => `${ruleId}: ${message}`,
    );
  const document = createOpenApiDocument([echo, numbers, old], "0.2.0");
  expect(await lint(document)).toEqual([]);
  expect(await lint({ ...document, paths: { "/a/{b}": { get: {} } } })).not.toEqual([]);
});

test("a server gives its document to everybody", async () => {
  const server = await startTestServer([echo, numbers]);
  const document = await (await fetch(`${server.address}/api/0/openapi.json`)).json();
  expect(document).toEqual(JSON.parse(JSON.stringify(createOpenApiDocument([echo, numbers], "0.2.0"))));
  const { paths } = document as { paths: Record<string, { get?: { parameters: unknown } }> };
  expect(paths["/api/0/numbers/"]?.get?.parameters).toMatchObject([
    { name: "per_page", in: "query", required: false, schema: { maximum: 100, default: 50 } },
    { name: "cursor", in: "query", required: false },
  ]);
  await server.close();
});
