import { expect, test } from 'vitest'
import type { BucketPlace } from '../domain/grant.ts'
import { openBucket, rememberBuckets } from './open.ts'

test('a bucket is opened once for all who name it in the same place, and the ones unused for longest are forgotten', () => {
  const opened: string[] = []
  const open = rememberBuckets((place, bucket) => {
    opened.push(bucket)
    return openBucket(place, bucket)
  })
  const place = (folder: string): BucketPlace => ({ kind: 'folder', folder })
  const one = open(place('/a'), 'one')
  expect(open({ ...place('/a') }, 'one')).toBe(one)
  expect(open(place('/b'), 'one')).not.toBe(one)
  expect(open(place('/a'), 'two')).not.toBe(one)
  for (let i = 0; i < 200; i++) {
    open(place('/a'), `b${i}`)
    expect(open(place('/a'), 'one')).toBe(one)
  }
  opened.length = 0
  open(place('/a'), 'two')
  open(place('/a'), 'b199')
  expect(opened).toEqual(['two'])
})
