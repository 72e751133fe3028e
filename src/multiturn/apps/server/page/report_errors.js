// Everything that can fail says why.

import { note } from "./dom.js";

// An action whose error is noted. It resolves to null then, else to what the action gives.
export const reporting =
  (action) =>
  async (...values) => {
    try {
      return await action(...values);
    } catch (error) {
      note(error.message, { bad: true, seconds: 20 });
      return null;
    }
  };
