/** `re.findall(r"\d+", text)` of Python: runs of decimal digits of any script (full-width and Arabic-Indic included). */
export function digitRuns(text: string): string[] {
  return text.match(/\p{Nd}+/gu) ?? []
}
