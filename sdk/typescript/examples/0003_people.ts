import { transform } from 'wasmigrate';

export default transform({
  summary: 'splits names and normalises phone numbers',
  table: 'person',
  inputs: ['name', 'phone'],
  derives: { given_name: 'TEXT', family_name: 'TEXT NOT NULL', e164: { type: 'TEXT', replaces: 'phone' } },
  drops: ['name'],
  row({ name, phone }) {
    name = name.trim();
    const space = name.lastIndexOf(' ');
    return {
      given_name: space < 0 ? null : name.slice(0, space).trimEnd(),
      family_name: name.slice(space + 1),
      e164: phone === null ? null : normalised(phone.trim()),
    };
  },
});

function normalised(phone: string): string | null {
  const digits = phone.replace(/[^0-9]+/g, '');
  let number: string;
  if (phone.startsWith('+')) number = digits;
  else if (digits.startsWith('00')) number = digits.slice(2);
  else if (digits.startsWith('0')) number = '49' + digits.slice(1);
  else return null;
  return number.length >= 7 && number.length <= 15 ? '+' + number : null;
}
