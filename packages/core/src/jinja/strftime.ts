const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

/** A time as C's strftime writes it in English; `%-d` is `%d` without a zero in front. */
export function strftime(format: string, now: Date): string {
  const two = (value: number, fill = '0') => String(value).padStart(2, fill)
  const day = days[now.getDay()] ?? ''
  const month = months[now.getMonth()] ?? ''
  const hour = now.getHours() % 12 || 12
  const ofYear =
    Math.round(
      (Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()) - Date.UTC(now.getFullYear(), 0, 1)) /
        86_400_000,
    ) + 1
  const codes: Readonly<Record<string, string>> = {
    a: day.slice(0, 3),
    A: day,
    b: month.slice(0, 3),
    B: month,
    h: month.slice(0, 3),
    d: two(now.getDate()),
    e: two(now.getDate(), ' '),
    m: two(now.getMonth() + 1),
    y: two(now.getFullYear() % 100),
    Y: String(now.getFullYear()),
    H: two(now.getHours()),
    I: two(hour),
    M: two(now.getMinutes()),
    S: two(now.getSeconds()),
    f: String(now.getMilliseconds() * 1000).padStart(6, '0'),
    p: now.getHours() < 12 ? 'AM' : 'PM',
    j: String(ofYear).padStart(3, '0'),
    w: String(now.getDay()),
    u: String(now.getDay() || 7),
    z: '',
    Z: '',
    s: String(Math.floor(now.getTime() / 1000)),
    n: '\n',
    t: '\t',
    '%': '%',
  }
  const joined: Readonly<Record<string, string>> = {
    F: '%Y-%m-%d',
    T: '%H:%M:%S',
    D: '%m/%d/%y',
    R: '%H:%M',
    c: '%a %b %e %H:%M:%S %Y',
    x: '%m/%d/%y',
    X: '%H:%M:%S',
  }
  return format.replace(/%(-?)([a-zA-Z%])/g, (all, bare: string, code: string) => {
    const inner = joined[code]
    const value = inner === undefined ? codes[code] : strftime(inner, now)
    if (value === undefined) return all
    return bare ? value.replace(/^[0 ]+(?=.)/, '') : value
  })
}
