/**
 * The record behind the `Inspector` service. The service shows programs a part of it; the page needs all of it.
 */
import type { ServerRecord } from "./ServerRecord.ts"

const records = new WeakMap<object, ServerRecord>()

/** Returns a service of `Inspector` that shows a record. */
export const withRecord = <Service extends object>(service: Service, record: ServerRecord): Service => {
  records.set(service, record)
  return service
}

/** Returns the record that a service of `Inspector` shows. */
export const recordOf = (service: object): ServerRecord => {
  const record = records.get(service)
  if (record === undefined) throw new TypeError("inspector: expected the service of Inspector.layer")
  return record
}
