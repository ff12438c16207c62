// What need not be done before a person sees the answer to a key.

const FRAME_MS = 200;

// Resolves once the next frame is on the screen; a page that is hidden has none.
export const painted = () => new Promise((resolve) => {
  requestAnimationFrame(() => setTimeout(resolve));
  setTimeout(resolve, FRAME_MS);
});
