import { runDirectoryBench } from "./directory/directory-bench.js";
import { runLocatorBench } from "./locator/locator-bench.js";
import type { BenchOptions } from "./options.js";
import { runOutboxBench } from "./outbox/outbox-bench.js";
import { runRouterBench } from "./router/router-bench.js";
import { runRpcBench } from "./rpc/rpc-bench.js";

const BENCHES: Readonly<Record<string, (options: BenchOptions) => Promise<void>>> = {
  rpc: runRpcBench,
  locator: runLocatorBench,
  directory: runDirectoryBench,
  outbox: runOutboxBench,
  router: runRouterBench,
};

const [name = "", ...rest] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  console.error(
    `usage: npm run bench -- ${Object.keys(BENCHES).join("|")} [--out FILE] [--scale 1] [--only PART,PART]`,
  );
  process.exit(2);
}
const valueOf = (flag: string): string | undefined => (rest.includes(flag) ? rest[rest.indexOf(flag) + 1] : undefined);
const only = valueOf("--only")?.split(",");
await bench({
  out: valueOf("--out") ?? `bench/results/${name}.json`,
  scale: Number(valueOf("--scale") ?? 1),
  ...(only === undefined ? {} : { only }),
});
