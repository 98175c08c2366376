/** Words that the stand-in rows are made of. */
export const people = [
  'Ada',
  'Bruno',
  'Celia',
  'Dmitri',
  'Esther',
  'Farid',
  'Greta',
  'Hugo',
  'Ines',
  'Jonas',
  'Kira',
  'Luca',
]
export const things = [
  'lantern',
  'kettle',
  'ladder',
  'violin',
  'compass',
  'anchor',
  'basket',
  'mirror',
  'saddle',
  'telescope',
]
export const places = [
  'attic',
  'boathouse',
  'cellar',
  'greenhouse',
  'library',
  'mill',
  'orchard',
  'stable',
  'tower',
  'workshop',
]
export const colors = ['amber', 'blue', 'copper', 'green', 'ivory', 'red', 'silver', 'violet']
export const deeds = ['mended', 'painted', 'borrowed', 'polished', 'hid', 'sold', 'carried', 'weighed']

/** Kinds of things for the classification rows, with members. */
export const kinds: Readonly<Record<string, readonly string[]>> = {
  Fruit: ['plum', 'pear', 'quince', 'fig'],
  'Fruit tree': ['plum tree', 'pear tree', 'fig tree'],
  Tool: ['hammer', 'chisel', 'rasp', 'plane'],
  Bird: ['heron', 'wren', 'rook', 'crane'],
  Metal: ['tin', 'zinc', 'copper', 'lead'],
}

/** The same in Chinese: people, things, places, kinds. */
export const peopleZh = ['小林', '阿青', '老周', '小梅', '大山', '阿兰']
export const thingsZh = ['灯笼', '水壶', '梯子', '镜子', '篮子', '铁锚']
export const placesZh = ['阁楼', '地窖', '果园', '磨坊', '书房', '马厩']
export const kindsZh: Readonly<Record<string, readonly string[]>> = {
  水果: ['李子', '梨子', '无花果'],
  工具: ['锤子', '凿子', '刨子'],
  鸟类: ['白鹭', '乌鸦', '燕子'],
}
