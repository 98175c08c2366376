/** A spec's label as a part of a file name. */
export const fileName = (label: string) => label.replaceAll(/[^A-Za-z0-9.=_-]+/g, '_')
