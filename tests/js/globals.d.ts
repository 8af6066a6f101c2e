// Globals that the scripts of public/ share with each other and with the app's programs, for the
// type checker (`cargo xtask test --only fmt`).

declare var trustedTypes: any;
/** WeChat's library, where an account is configured. */
declare var wx: any;
declare var baoanWechat: string | null;
declare var baoanPartners: string[];
declare var baoanKioskWords: Record<string, Record<string, string>>;
declare function baoanCan(more: Record<string, unknown>): void;
declare function baoanAsk(what: string, given?: unknown, ms?: number): Promise<any>;

interface Window {
  webkit?: any;
  /** The bridge of a native app. */
  baoanNative?: any;
}

interface Storage {
  /** Signed out while the server was unreachable. */
  baoanLeft?: number;
}
