/** In the place of modules that a tab has no use for: downloads, worker threads of Node.js, the solo decoder. */
function absent(): never {
  throw new Error("not in a browser");
}

export class SoloDecoder {
  constructor() {
    absent();
  }
}
export const soloFits = (): boolean => false;
export const resolveModel = absent;
export const resolveAdapter = absent;
export const identifyContent = absent;
export default absent;
