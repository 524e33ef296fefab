/**
 * Whether WebGPU works here. SwiftShader (software, as Chromium ships it) is enough: VK_DRIVER_FILES names its description,
 * and LD_LIBRARY_PATH the folder of libvulkan.so.1 where the system has none.
 */
import { Device } from "../../../src/runtime/device.js";

export const webgpuAvailable = (): Promise<boolean> =>
  Device.open({ device: "webgpu" }).then(
    () => true,
    (error: Error) => {
      console.warn(`WebGPU tests are left out: ${error.message}`);
      return false;
    },
  );
