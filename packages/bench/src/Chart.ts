/** The charts of the page of figures: bars of ratios to ws, as SVG that reads on a light and on a dark page. */
import { parse, View } from "vega"
import { compile, type TopLevelSpec } from "vega-lite"
import { type Group, ratioOf } from "./Page.ts"
import type { Table } from "./Report.ts"

const ink = "#7d8590"

const bars = (table: Table, peers: ReadonlyArray<string>, most: number) => {
  const values = table.entries.flatMap((entry) => {
    const ratio = ratioOf(table, entry)
    return ratio === undefined || entry.peer === "ws"
      ? []
      : [{ peer: entry.peer, ratio: Math.min(ratio, most), label: ratio.toFixed(2) }]
  })
  const y = { field: "peer", type: "nominal", title: null, sort: [...peers] } as const
  const x = { field: "ratio", type: "quantitative", title: null, scale: { domainMin: 0, domainMax: most } } as const
  // One color for a peer in all charts, rather than one for its place among those of a row.
  const color = {
    field: "peer",
    type: "nominal",
    legend: null,
    scale: { domain: [...peers], scheme: "tableau10" }
  } as const
  return {
    title: table.row,
    width: 420,
    height: { step: 15 },
    data: { values },
    layer: [
      { mark: { type: "bar", height: 11 }, encoding: { x, y, color } },
      {
        mark: { type: "text", align: "left", dx: 3, color: ink, fontSize: 10 },
        encoding: { x, y, text: { field: "label" } }
      },
      { mark: { type: "rule", color: ink, strokeDash: [4, 3] }, encoding: { x: { datum: 1, type: "quantitative" } } }
    ]
  }
}

/** Draws the bars of one group; a dashed line is ws, and bars above `most` end there, with their figure beside them. */
export const draw = ({ peers, tables }: Group, most = 2.5): Promise<string> => {
  const spec = {
    background: "transparent",
    vconcat: tables.map((table) => bars(table, peers, most)),
    config: {
      view: { stroke: null },
      axis: { labelColor: ink, gridColor: ink, gridOpacity: 0.2, domainColor: ink, tickColor: ink },
      title: { color: ink, anchor: "start", fontSize: 12 }
    }
  } as TopLevelSpec
  return new View(parse(compile(spec).spec), { renderer: "none" }).toSVG()
}
