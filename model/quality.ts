export const qualities = ['good', 'uncertain', 'bad'] as const;
export type Quality = (typeof qualities)[number];
