import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

// `npm run dev` serves the pages and hands /api to a running `veduta view`.
export default defineConfig({
  plugins: [svelte()],
  build: { outDir: '../static', emptyOutDir: true, assetsInlineLimit: 0 },
  server: { proxy: { '/api': 'http://127.0.0.1:8642' } },
})
