import { existsSync, readdirSync } from "node:fs"
import { defineConfig } from "vitest/config"
import { PlainSummary } from "./scripts/PlainSummary.ts"

const packages = readdirSync("packages").filter((name) => existsSync(`packages/${name}/test`))

const projects = [...packages.map((name) => ({ name, root: `packages/${name}` })), { name: "scripts", root: "scripts" }]

export default defineConfig({
  test: {
    reporters: ["default", new PlainSummary()],
    setupFiles: ["scripts/vitest.setup.ts"],
    projects: projects.map(({ name, root }) => ({ test: { name, include: [`${root}/test/**/*.test.ts`] } }))
  }
})
