/**
 * Prints the public API: every exported name with its declaration, without comments, in alphabetical order.
 *
 * `api.txt` is checked in, so that a change of what users see is a line in a diff. `--write` renews it.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The API as `dist` declares it. */
export function publicApi(): string {
  const entry = `${root}dist/index.d.ts`
  const program = ts.createProgram([entry], { module: ts.ModuleKind.NodeNext, lib: ['lib.es2024.d.ts', 'lib.dom.d.ts'] })
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(entry)
  const module = source && checker.getSymbolAtLocation(source)
  if (module === undefined) throw new Error(`${entry} is missing; build first`)
  const printer = ts.createPrinter({ removeComments: true })
  return checker
    .getExportsOfModule(module)
    .map(symbol => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(symbol => symbol.declarations ?? [])
    .map(declaration => printer.printNode(ts.EmitHint.Unspecified, declaration, declaration.getSourceFile()))
    .map(text => `${text.trim()}\n`)
    .join('\n')
}

/** The API as it is checked in. */
export function checkedInApi(): string {
  return readFileSync(`${root}api.txt`, 'utf8')
}

if (process.argv.includes('--write')) writeFileSync(`${root}api.txt`, publicApi())
