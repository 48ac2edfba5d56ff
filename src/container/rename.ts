import { invalid } from "../errors/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { isValidName } from "./names/index.ts";
import { notify } from "./notify.ts";

/** Give a container another name, running or not. */
export async function renameContainer(
  context: ContainerContext,
  reference: string,
  newName: string,
): Promise<void> {
  const name = newName.startsWith("/") ? newName.slice(1) : newName;
  const { id } = context.table.find(reference);
  if (name === "") throw invalid("Neither old nor new names may be empty");
  if (!isValidName(name))
    throw invalid(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  using _lock = await context.locks.acquire(id);
  const record = context.table.find(id);
  if (record.name === name) throw invalid("Renaming a container with the same name as its current name");
  const renamed = context.store.transaction(() => {
    context.network.rename(id, name);
    return context.table.setName(id, name);
  });
  notify(context, renamed, "rename", { oldName: `/${record.name}` });
}
