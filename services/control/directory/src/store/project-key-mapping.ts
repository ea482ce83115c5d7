import type { Queryable } from "@cellway/database";

/** What a cell says of a project's key; `key` is undefined when it is gone. */
export interface ProjectKeyState {
  readonly projectKeyId: string;
  readonly organizationId: string;
  readonly version: string;
  readonly key: { readonly publicKey: string; readonly projectId: string } | undefined;
}

/** Takes over a newer state; an older one, or one of a key that another organization has, changes nothing. */
export async function upsertProjectKeyMapping(db: Queryable, state: ProjectKeyState): Promise<void> {
  await db.query(
    `insert into control.project_key_mapping as current
        (project_key_id, organization_id, project_id, public_key, version, is_removed)
      values ($1, $2, $3, $4, $5, $6)
      on conflict (project_key_id) do update set project_id = coalesce(excluded.project_id, current.project_id),
        public_key = coalesce(excluded.public_key, current.public_key), version = excluded.version,
        is_removed = excluded.is_removed, updated_at = now()
      where current.version < excluded.version and current.organization_id = excluded.organization_id`,
    [
      state.projectKeyId,
      state.organizationId,
      state.key?.projectId ?? null,
      state.key?.publicKey ?? null,
      state.version,
      state.key === undefined,
    ],
  );
}
