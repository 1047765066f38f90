/// <reference path="lib/wasmigrate.d.ts" />
import { transform } from 'wasmigrate';

// An example: the family names of the table `customer`. Write your own table and columns instead.
export default transform({
  summary: 'WHAT_IT_DOES',
  table: 'customer',
  inputs: ['name'],
  derives: { family_name: 'TEXT NOT NULL' },
  row({ name }) {
    return { family_name: name.trim().split(' ').pop() };
  },
});
