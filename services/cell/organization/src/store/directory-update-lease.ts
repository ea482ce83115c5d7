import type { EntityManager } from "typeorm";

/** Takes the lease, or renews it. False when another process holds it. */
export async function takeLease(manager: EntityManager, holder: string, leaseMs: number): Promise<boolean> {
  const result: [unknown[], number] = await manager.query(
    `update cell.directory_update_lease set holder = $1, expires_at = now() + $2 * interval '1 millisecond'
     where name = 'drain' and (holder is null or holder = $1 or expires_at < now())`,
    [holder, leaseMs],
  );
  return result[1] === 1;
}

/** Gives the lease back, if it is still this holder's. */
export async function releaseLease(manager: EntityManager, holder: string): Promise<void> {
  await manager.query(
    "update cell.directory_update_lease set holder = null, expires_at = now() where name = 'drain' and holder = $1",
    [holder],
  );
}
