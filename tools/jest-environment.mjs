// @ts-check
import { types } from "node:util";
import { TestEnvironment } from "jest-environment-node";

/**
 * jest runs each test file in a realm of its own, with an `Error` of its own. An error that Node's own modules throw is not
 * an instance of that one, so libraries that ask `error instanceof Error` would behave otherwise under test than in
 * service. Here every native error is an instance of `Error`, whatever its realm.
 */
// oxlint-disable-next-line import/no-default-export -- jest takes an environment from its module's default export.
export default class CellwayTestEnvironment extends TestEnvironment {
  /** @override */
  async setup() {
    await super.setup();
    const RealmError = this.global.Error;
    const ordinary = Function.prototype[Symbol.hasInstance];
    Object.defineProperty(RealmError, Symbol.hasInstance, {
      value: function hasInstance(/** @type {unknown} */ value) {
        return ordinary.call(this, value) || (this === RealmError && types.isNativeError(value));
      },
    });
  }
}
