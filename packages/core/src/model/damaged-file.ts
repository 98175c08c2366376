/** Git puts such a text where Git LFS has not fetched the file yet. */
const LFS_POINTER = 'version https://git-lfs'

/** What to do about a file of a model that does not hold what it should, by its first bytes. */
export function damagedFileAdvice(start: string): string {
  if (start.startsWith(LFS_POINTER))
    return 'This is a pointer of Git LFS and not the file itself: type git lfs pull in that folder.'
  if (/^\s*<(!doctype|html)/i.test(start))
    return 'This is a web page, most likely what a server answered instead of the file: download it again.'
  return 'Download the file again.'
}
