import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { afterEach, expect, it } from "@jest/globals";
import { type Stage, startStage } from "./test-support.js";

let stage: Stage | undefined;
afterEach(async () => stage?.stop());

it("trailers of a request go through after its chunks, without those by which a message is framed, routed or trusted", async () => {
  let got: Pick<IncomingMessage, "headers" | "trailers"> | undefined;
  stage = await startStage((req, res) => {
    req.resume().on("end", () => {
      got = { headers: req.headers, trailers: req.trailers };
      res.end("ok");
    });
  });
  const headers = { trailer: "x-sum", "transfer-encoding": "chunked" };
  const req = request(stage.address, { method: "POST", headers, agent: false });
  req.write("body");
  req.addTrailers({
    "x-sum": "42",
    "x-cellway-cell": "de1",

    host: "other",
    "x-forwarded-for": "1.2.3.4",
  });
  req.end();
  const [res] = (await once(req, "response")) as [IncomingMessage];
  await once(res.resume(), "end");
  expect(got?.headers).toMatchObject({ trailer: "x-sum", "transfer-encoding": "chunked" });
  expect(got?.trailers).toEqual({ "x-sum": "42" });
});
