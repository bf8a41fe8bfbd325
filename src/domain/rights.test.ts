import { expect, test } from 'vitest'
import { inputNeeds, missingRight, operations, rights, rightsOf } from './rights.ts'

const list = (...names: string[]) => [...rightsOf(names)].toSorted()

test('the sets of Scaleway by their names (contract 2.5)', () => {
  const models = ['batches:read', 'batches:write', 'files:read', 'files:write', 'results:read']
  expect(list('GenerativeApisModelAccess')).toEqual(models)
  expect(list('GenerativeApisFullAccess')).toEqual([...models, 'usage:read'])
  expect(list('ObjectStorageObjectsRead', 'ObjectStorageObjectsWrite')).toEqual(['objects:read', 'objects:write'])
  expect(list('AllProductsFullAccess')).toEqual(rights.filter((r) => r !== 'operator' && r !== 'project:admin').toSorted())
})

test('an operator administers, and reads nothing; unknown names give nothing', () => {
  expect(list('operator')).toEqual(['operator', 'project:admin'])
  expect(list('project:admin')).toEqual(['project:admin'])
  expect(list('', 'toString', 'everything', 'BATCHES:READ')).toEqual([])
})

test('a batch of objects needs the model right and the storage rights, and nothing less', () => {
  const needs = [...operations['batches.create'], ...inputNeeds({ isObject: true, readsForLines: false })]
  const has = (...names: string[]) => missingRight(rightsOf(names), needs)
  expect(has('GenerativeApisModelAccess', 'ObjectStorageObjectsRead', 'ObjectStorageObjectsWrite')).toBeNull()
  expect(has('GenerativeApisFullAccess', 'ObjectStorageObjectsRead')).toBe('objects:write')
  expect(has('GenerativeApisFullAccess')).toBe('objects:read')
  expect(has('ObjectStorageObjectsRead', 'ObjectStorageObjectsWrite')).toBe('batches:write')
  expect(has('AllProductsFullAccess')).toBeNull()
})

test('lines of audio name files and objects: who lets them be read must be allowed to', () => {
  expect(inputNeeds({ isObject: false, readsForLines: true }).toSorted()).toEqual(['files:read', 'objects:read'])
  expect(inputNeeds({ isObject: false, readsForLines: false })).toEqual(['files:read'])
})
