import { directoryModule } from "@cellway/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServedContract, ServiceContext, ServiceModule } from "@cellway/host";
import { organizationModule } from "@cellway/organization";
import { type CallContext, withCallContext } from "@cellway/rpc";
import type { HandlerContext } from "@connectrpc/connect";

/** What a silo does when it is called. */
export type Handler = (context: ServiceContext, call: HandlerContext) => unknown;

/** What the cells do when their BatchGetOrganizations is called. */
export const inCell: { run: Handler } = { run: () => undefined };
/** What control does when its ListCells is called. */
export const inControl: { run: Handler } = { run: () => undefined };

/** The directory as it is, and cells that do what the test says: the contract and the way are the product's. */
export const SCRIPTED: readonly ServiceModule[] = [
  {
    ...directoryModule,
    contracts: (context) =>
      directoryModule.contracts(context).map(({ service, implementation }) => ({
        service,
        implementation: {
          ...implementation,
          listCells: async (_request: unknown, call: HandlerContext) => {
            await inControl.run(context, call);
            return {};
          },
        } as unknown as ServedContract["implementation"],
      })),
  },
  {
    ...organizationModule,
    tasks: [],
    contracts: (context) => [
      {
        service: OrganizationService,
        implementation: {
          batchGetOrganizations: async (_request: unknown, call: HandlerContext) => {
            await inCell.run(context, call);
            return {};
          },
        } as unknown as ServedContract["implementation"],
      },
    ],
  },
];

/** Runs as code in control that serves a call. */
export function serving<T>(work: () => T, overrides: Partial<CallContext> = {}): T {
  const traceparent = `00-${"ab".repeat(16)}-${"cd".repeat(8)}-00`;
  const deadlineAtMs = Date.now() + 5_000;
  const outer = { localMode: "CONTROL", siloName: "control", caller: "control", deadlineAtMs, traceparent } as const;
  return withCallContext({ ...outer, viewer: undefined, signal: undefined, ...overrides }, work);
}

/** A call that is not answered before `open`; `entered` counts those that got there, `left` those whose caller has gone. */
export function createGate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const gate = { entered: 0, left: 0, open: () => open() };
  const run: Handler = async (_context, { signal }) => {
    gate.entered += 1;
    signal.addEventListener("abort", () => (gate.left += 1), { once: true });
    await opened;
  };
  return { gate, run };
}
