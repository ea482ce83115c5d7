import { describe, expect, it } from "@jest/globals";
import { createLogger, type LogLevel } from "./logger.js";

const SECRET = "hunter2-hunter2";

function createCapture(level?: LogLevel) {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  return { lines, logger: createLogger({ silo: "us1", stream, ...(level === undefined ? {} : { level }) }) };
}

describe("the logger", () => {
  it("writes one JSON object a line, with the silo, the level by name and an ISO time", () => {
    const { logger, lines } = createCapture();
    logger.info({ method: "user.GetUser", text: "two\nlines" }, "served");
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trimEnd()).not.toContain("\n");
    const entry = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
    expect(entry).toMatchObject({
      silo: "us1",
      level: "info",
      msg: "served",
      method: "user.GetUser",
      text: "two\nlines",
    });
    expect(new Date(String(entry["time"])).toISOString()).toBe(entry["time"]);
  });

  it.each(["authorization", "token", "secret", "password", "key"])(
    "never writes what is in a field called %s",
    (field) => {
      const { logger, lines } = createCapture();
      logger.error({ [field]: SECRET }, "failed");
      expect(lines[0]).not.toContain(SECRET);
      expect(JSON.parse(lines[0] ?? "")).toHaveProperty(field, "[redacted]");
    },
  );

  it.each(["authorization", "token", "secret", "password"])(
    "never writes what is in a field called %s of a field",
    (field) => {
      const { logger, lines } = createCapture();
      logger.error({ header: { [field]: SECRET, host: "us1" } }, "failed");
      expect(lines[0]).not.toContain(SECRET);
      expect(lines[0]).toContain('"host":"us1"');
    },
  );

  it("redacts in a child logger too", () => {
    const { logger, lines } = createCapture();
    logger.child({ token: SECRET }).info("served");
    expect(lines[0]).not.toContain(SECRET);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ silo: "us1", msg: "served" });
  });

  it("writes an error with its stack and its cause", () => {
    const { logger, lines } = createCapture();
    logger.error({ err: new Error("outer", { cause: new Error("inner") }) }, "failed");
    const { err } = JSON.parse(lines[0] ?? "") as {
      err: { message: string; stack: string; cause: { message: string } };
    };
    expect(err.stack).toContain("logger.test");
    expect(err.cause.message).toBe("inner");
  });

  it("leaves out what is below its level, and everything when it is silent", () => {
    const warnings = createCapture("warn");
    warnings.logger.info("no");
    warnings.logger.warn("yes");
    expect(warnings.lines).toHaveLength(1);
    const silent = createCapture("silent");
    silent.logger.error("no");
    expect(silent.lines).toHaveLength(0);
    const usual = createCapture();
    usual.logger.debug("no");
    usual.logger.info("yes");
    expect(usual.lines).toHaveLength(1);
  });
});
