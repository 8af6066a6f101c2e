// Serves the bench: the app's files at /, the rivals at /npm, the photographs at /photos.
// node serve.mjs DIST NPM PHOTOS prints the port.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const [dist, npm, photos] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.html': 'text/html', '.wasm': 'application/wasm', '.jpg': 'image/jpeg', '.png': 'image/png', '.webp': 'image/webp' };
const roots = [['/npm/', npm], ['/photos/', photos], ['/bench/', here], ['/', dist]];

const server = createServer(async (request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname));
  const [prefix, root] = roots.find(([prefix]) => path.startsWith(prefix));
  try {
    const body = await readFile(join(root, path.slice(prefix.length)));
    response.writeHead(200, { 'content-type': types[extname(path)] ?? 'application/octet-stream' }).end(body);
  } catch {
    response.writeHead(404).end();
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
