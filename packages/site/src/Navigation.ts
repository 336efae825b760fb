/** Where each page stands. A page that stands nowhere fails the build. */

export interface Section {
  readonly title: string
  /** The names of pages in `docs`, without `.md`, and how the menu calls them. */
  readonly pages: Readonly<Record<string, string>>
}

export const sections: ReadonlyArray<Section> = [
  {
    title: "Begin",
    pages: {
      "getting-started": "Getting started",
      connection: "Handlers and connections",
      client: "The client",
      browser: "In the browser",
      typed: "Typed messages",
      testing: "Testing"
    }
  },
  {
    title: "Serve",
    pages: {
      servers: "Which server",
      attach: "On an HTTP server",
      tls: "TLS",
      authentication: "Authentication",
      sessions: "Sessions and middleware",
      "rate-limits": "Rate limits",
      rpc: "Effect RPC",
      cluster: "Effect Cluster",
      topics: "Topics and broadcast",
      scale: "Topics on many nodes"
    }
  },
  {
    title: "Operate",
    pages: {
      lifecycle: "Lifecycle",
      limits: "Limits",
      observability: "Observability",
      inspector: "The inspector",
      proxies: "Who the client is",
      http2: "HTTP/2",
      deployment: "Deployment",
      security: "Security checklist",
      troubleshooting: "Troubleshooting",
      cli: "The command line"
    }
  },
  {
    title: "Extend",
    pages: {
      architecture: "Architecture",
      sockets: "Over any Effect Socket",
      extensions: "Extensions",
      transports: "Writing a transport",
      "session-state": "The session's states",
      whatwg: "The WHATWG class"
    }
  },
  {
    title: "Compare",
    pages: {
      comparison: "Comparison",
      benchmarks: "Figures",
      runtimes: "Node, Bun, Deno",
      migrating: "Migrating",
      versions: "Versions and support"
    }
  }
]
