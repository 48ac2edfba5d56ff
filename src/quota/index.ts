export {
  createFolderQuotas,
  explainLimited,
  type FolderQuotas,
  type QuotaUse,
  quotaMigrations,
} from "./folder-quotas.ts";
