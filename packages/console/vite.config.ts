import { defineConfig } from "vite";

// The daemon embeds `dist/` byte for byte under a CSP without `data:`, `blob:` or inline anything, and answers
// every file `no-store`: so nothing may be inlined, and names need no content hash.
export default defineConfig({
  base: "/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    chunkSizeWarningLimit: 700,
    rollupOptions: {
      output: {
        entryFileNames: "assets/console.js",
        chunkFileNames: "assets/[name].js",
        manualChunks: (id) => (id.includes("pdfjs-dist") ? "pdf" : undefined),
        assetFileNames: (asset) => {
          const name = asset.names[0] ?? "";
          if (name.includes("pdf.worker")) return "assets/pdf.worker.js";
          return name.endsWith(".css") ? "assets/console.css" : "assets/[name][extname]";
        },
      },
    },
  },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
