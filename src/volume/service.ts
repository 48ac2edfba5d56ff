/** Volumes: named folders that outlive containers. The local driver keeps one at DATA_ROOT/volumes/NAME/_data. */
export interface VolumeService {
  /** The volume of this name, made when absent. `name` empty makes an anonymous one with a 64-digit name. */
  ensure(request: {
    name: string;
    driver: string;
    labels: Record<string, string>;
    options: Record<string, string>;
  }): Promise<Volume>;
  find(name: string): Volume | undefined;
  list(): Volume[];
  /** conflict "volume is in use" is the caller's to check; forgets row and folder. */
  remove(name: string): Promise<void>;
}

export interface Volume {
  readonly name: string;
  readonly driver: string;
  readonly mountpoint: string;
  readonly createdAt: string;
  readonly labels: Record<string, string>;
  readonly options: Record<string, string>;
  readonly anonymous: boolean;
}
