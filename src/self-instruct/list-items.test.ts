/** Shapes in which chat models write a list of tasks. */
import { expect, it } from "vitest";
import { listItems } from "./list-items.js";

const A = "Write a short poem about rain.";
const B = "Name three rivers in Europe.";
const C = "Sort these words by length.";
const ABC = [A, B, C];

it.each<[string, string, string[]]>([
  ["a number and a full stop", `9. ${A}\n10. ${B}\n11. ${C}`, ABC],
  ["the first number left to the prompt", ` ${A}\n10. ${B}\n11. ${C}`, ABC],
  ["a bracket after", `9) ${A}\n10) ${B}\n11) ${C}`, ABC],
  ["brackets around", `(9) ${A}\n(10) ${B}\n(11) ${C}`, ABC],
  ["square brackets", `[9] ${A}\n[10] ${B}\n[11] ${C}`, ABC],
  ["a colon", `9: ${A}\n10: ${B}\n11: ${C}`, ABC],
  ["a dash after the number", `9 - ${A}\n10 - ${B}\n11 – ${C}`, ABC],
  ["a hash", `#9 ${A}\n#10 ${B}\n#11 ${C}`, ABC],
  ["bold numbers", `**9.** ${A}\n**10.** ${B}\n**11.** ${C}`, ABC],
  ["bold as a whole", `9. **${A}**\n10. **${B}**\n11. **${C}**`, ABC],
  ["bold with its number", `**9. ${A}**\n**10. ${B}**\n**11. ${C}**`, ABC],
  ["bold number without a mark", `**9** ${A}\n**10** ${B}\n**11** ${C}`, ABC],
  ["italics", `9. *${A}*\n10. _${B}_\n11. *${C}*`, ABC],
  ["quotes", `9. "${A}"\n10. “${B}”\n11. '${C}'`, ABC],
  ["code marks", `9. \`${A}\`\n10. \`${B}\`\n11. \`${C}\``, ABC],
  ["Task 9:", `Task 9: ${A}\nTask 10: ${B}\nTask 11: ${C}`, ABC],
  ["bold Task 9:", `**Task 9:** ${A}\n**Task 10:** ${B}\n**Task 11:** ${C}`, ABC],
  ["headings", `### 9. ${A}\n### 10. ${B}\n### 11. ${C}`, ABC],
  ["headings with a word", `## Task 9: ${A}\n## Task 10: ${B}\n## Task 11: ${C}`, ABC],
  ["Instruction #9:", `Instruction #9: ${A}\nInstruction #10: ${B}\nInstruction #11: ${C}`, ABC],
  ["bullets: dashes", `- ${A}\n- ${B}\n- ${C}`, ABC],
  ["bullets: stars", `* ${A}\n* ${B}\n* ${C}`, ABC],
  ["bullets: dots", `• ${A}\n• ${B}\n• ${C}`, ABC],
  ["bullets with bold", `- **${A}**\n- **${B}**\n- **${C}**`, ABC],
  ["letters", `a) ${A}\nb) ${B}\nc) ${C}`, ABC],
  ["blank lines between", `9. ${A}\n\n10. ${B}\n\n11. ${C}`, ABC],
  ["two blank lines between", `9. ${A}\n\n\n10. ${B}\n\n\n11. ${C}`, ABC],
  ["indented", `  9. ${A}\n  10. ${B}\n  11. ${C}`, ABC],
  ["lines ends of Windows", `9. ${A}\r\n10. ${B}\r\n11. ${C}`, ABC],
  ["no blank after the number", `9.${A}\n10.${B}\n11.${C}`, ABC],
  ["wide full stop", `9．${A}\n10．${B}\n11．${C}`, ABC],
  ["a preamble", `Sure! Here are some more tasks:\n\n9. ${A}\n10. ${B}\n11. ${C}`, ABC],
  ["a preamble without a colon", `Certainly.\n9. ${A}\n10. ${B}\n11. ${C}`, ABC],
  ["a preamble in bold", `**Here are the tasks:**\n\n9. ${A}\n10. ${B}\n11. ${C}`, ABC],
  ["another preamble", `Continuing the list:\n9. ${A}\n10. ${B}\n11. ${C}`, ABC],
  ["an end", `9. ${A}\n10. ${B}\n11. ${C}\n\nLet me know if you need more!`, ABC],
  ["an end of two paragraphs", `9. ${A}\n10. ${B}\n11. ${C}\n\nThese are varied.\n\nShall I go on?`, ABC],
  ["thoughts", `<think>1. bad idea\n2. another</think>\n9. ${A}\n10. ${B}\n11. ${C}`, ABC],
  ["thoughts without their beginning", `1. bad idea\n</think>\n\n9. ${A}\n10. ${B}\n11. ${C}`, ABC],
  ["a fence", `\`\`\`\n9. ${A}\n10. ${B}\n11. ${C}\n\`\`\``, ABC],
  ["a fence with a language", `\`\`\`markdown\n9. ${A}\n10. ${B}\n11. ${C}\n\`\`\``, ABC],
  ["rules between", `9. ${A}\n---\n10. ${B}\n---\n11. ${C}`, ABC],
  ["an item of two lines", `9. Write a short poem\nabout rain.\n10. ${B}\n11. ${C}`, ABC],
  ["the list begins at 1", `1. ${A}\n2. ${B}\n3. ${C}`, ABC],
  ["no marks, a line each", `${A}\n${B}\n${C}`, ABC],
  ["no marks, with a preamble", `Here are three tasks:\n${A}\n${B}\n${C}`, ABC],
  ["one item, as the prompt left it open", ` ${A}`, [A]],
  ["a number within an item", `9. List the 10. of each month.\n10. ${B}`, ["List the 10. of each month.", B]],
  [
    "a year at the beginning of a line",
    `9. Say what happened in\n1969 in space.\n10. ${B}`,
    ["Say what happened in 1969 in space.", B],
  ],
  ["bold within an item", `9. Use the word **rain** in a poem.\n10. ${B}`, ["Use the word rain in a poem.", B]],
  ["a bold title before the task", `9. **Poem:** ${A}\n10. **Rivers:** ${B}`, [`Poem: ${A}`, `Rivers: ${B}`]],
  ["nothing", "", []],
  ["thoughts only", "<think>9. a task", []],
  ["a preamble only", "Sure! Here are some more tasks:", []],
])("%s", (_, reply, expected) => {
  expect(listItems(reply)).toEqual(expected);
});

it("leaves the last item of a cut reply out", () => {
  expect(listItems(`Sure:\n9. ${A}\n10. ${B}\n11. Sort these wo`, true)).toEqual([A, B]);
});
