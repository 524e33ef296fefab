/** Small line drawings beside words; they say nothing that the words do not. */
const PATHS = {
  curve: "M3 4v14a2 2 0 0 0 2 2h16M7 8c2 0 3 7 6 8s4 1 7 1",
  graph: "M4 5h6v5H4zM14 14h6v5h-6zM14 4h6v5h-6zM10 7.500h4M7 10v6.500h7",
  table: "M4 5h16v14H4zM4 10h16M10 5v14",
  list: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  chat: "M4 5h16v11H10l-4 4v-4H4z",
  contrast: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  moon: "M20 14.500A8 8 0 1 1 9.500 4a6.500 6.500 0 0 0 10.500 10.500z",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600 19 19M19 5l-1.400 1.400M6.400 17.600 5 19",
  plus: "M12 5v14M5 12h14",
  stop: "M7 7h10v10H7z",
  send: "M5 12h13M12 6l6 6-6 6",
  close: "M6 6l12 12M18 6 6 18",
  out: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  play: "M8 5l11 7-11 7z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
