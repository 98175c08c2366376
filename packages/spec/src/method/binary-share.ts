/**
 * The part of a prompt that a released code keeps which is told what part r to drop: 1 - r in binary floating point, so that
 * int(200 (1 - 0.9)) is 19.
 */
export const binaryShare = (fraction: number): number => 1 - Number((1 - fraction).toPrecision(15))
