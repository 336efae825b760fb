/**
 * A position in the value of a header, and the grammar that header values share: tokens, quoted strings, optional
 * whitespace and lists (RFC 9110 5.6). The parsers of single headers add their own grammar.
 *
 * Every method takes linear time in the characters that it passes, and none looks back.
 */
import { HeaderSyntaxError } from "../http/HeaderGrammar.ts"
import { isSpaceCode, isTokenCode, isValueCode, renderFound } from "./headerCharacters.ts"

const COMMA = 0x2c
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Reads a header value from left to right. */
export class HeaderCursor {
  readonly text: string
  offset = 0

  constructor(text: string) {
    this.text = text
  }

  get atEnd(): boolean {
    return this.offset >= this.text.length
  }

  /** Whether an element of a list is over: at a comma, or at the end. */
  get atElementEnd(): boolean {
    return this.atEnd || this.peek() === COMMA
  }

  get atQuote(): boolean {
    return this.peek() === QUOTE
  }

  /** Returns the code of the next character, or `NaN` at the end. */
  peek(): number {
    return this.text.charCodeAt(this.offset)
  }

  /** Skips optional whitespace. Returns whether there was any. */
  skipSpaces(): boolean {
    const start = this.offset
    while (isSpaceCode(this.peek())) this.offset++
    return this.offset > start
  }

  /** Skips optional whitespace, and the character `char` behind it. Returns whether the character was there. */
  skip(char: string): boolean {
    this.skipSpaces()
    if (this.text[this.offset] !== char) return false
    this.offset++
    return true
  }

  /** Skips commas and whitespace. RFC 9110 5.6.1.2: a recipient must "ignore a reasonable number of empty elements". */
  skipEmptyElements(): void {
    while (isSpaceCode(this.peek()) || this.peek() === COMMA) this.offset++
  }

  /** Reads a token. Returns an empty string if there is none. */
  token(): string {
    const start = this.offset
    while (isTokenCode(this.peek())) this.offset++
    return this.text.slice(start, this.offset)
  }

  /**
   * Reads a quoted string and returns its value. The cursor must be at the opening quote.
   *
   * Returns `undefined` at the first character that `isAllowed` refuses, escaped or not, and at the end of a value
   * without a closing quote. The cursor stays there. Default: what RFC 9110 5.6.4 allows.
   */
  quotedString(isAllowed: (code: number) => boolean = isValueCode): string | undefined {
    let value = ""
    let start = ++this.offset
    while (!this.atQuote) {
      if (this.peek() === BACKSLASH) {
        value += this.text.slice(start, this.offset)
        start = ++this.offset
      }
      if (!isAllowed(this.peek())) return undefined
      this.offset++
    }
    value += this.text.slice(start, this.offset++)
    return value
  }

  /** Creates the error for a value that does not follow its grammar at the cursor. */
  error(header: string, expected: string, found: string = renderFound(this.text, this.offset)): HeaderSyntaxError {
    return new HeaderSyntaxError({ header, offset: this.offset, expected, found })
  }
}
