// Draw captchas with npm's svg-captcha, trek-captcha, captchapng, ppfun-captcha, captcha-canvas or
// @haileybot/captcha-generator.
//
// Command:  NODE_PATH=FOLDER/node_modules node node_generators.js svg SEED OUT < texts.txt
// Needs:    the packages and programs of README.md
// Writes:   OUT/<number>.png and OUT/labels.csv: name,text
//
// svg, ppfun and canvas draw 0-9a-zA-Z+-*/=? (x and / for × and ÷, which their fonts lack), trek
// the letters a-y without e and g, captchapng digits, haileybot capitals.
const fs = require('fs')
const path = require('path')
const { execFileSync } = require('child_process')
const Module = require('module')

function seeded(seed) { // a stand-in for Math.random: mulberry32
  return () => {
    seed = (seed + 0x6D2B79F5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
const chance = share => Math.random() < share
const between = (low, high) => low + Math.random() * (high - low)
const whole = (low, high) => Math.floor(between(low, high + 1))
const colour = (low, high) => [0, 1, 2].map(() => whole(low, high))
const hex = rgb => '#' + rgb.map(value => value.toString(16).padStart(2, '0')).join('')

const ascii = text => text.replace(/×/g, 'x').replace(/÷/g, '/')

const drawable = { // the text that a package can draw of a text
  svg: ascii,
  trek: text => { // letters stand from pixel 30 to the right border at 200
    const font = require('trek-captcha/lib/font')
    const wide = letter => { // the longest row of a glyph: steps from the left
      let most = 0, row = 0
      for (const step of font[letter.charCodeAt(0) - 97]) {
        if (step === -100) row = 0
        else if (step !== -101) row += step < 0 ? -step : 1
        most = Math.max(most, row)
      }
      return most
    }
    let length = 0
    for (let left = 30; length < text.length; length++) {
      left += wide(text[length])
      if (left > 192) break
    }
    return text.slice(0, length)
  },
  captchapng: text => text,
  ppfun: ascii,
  canvas: ascii,
  haileybot: text => text.slice(0, 6)
}

let next = '' // trek takes no text, but random bytes, of which the first ones choose the letters
require('crypto').randomBytes = (size, done) => {
  const bytes = Buffer.from(Array.from({ length: size }, () => whole(0, 255)))
  for (let i = 0; i < next.length; i++) bytes[i] = next.charCodeAt(i) - 97
  return done ? done(null, bytes) : bytes
}

// haileybot and captcha-canvas want packages that fetch a binary: @napi-rs/canvas stands in.
const load = Module._load
Module._load = (name, ...rest) => {
  if (name !== 'canvas' && name !== 'skia-canvas') return load(name, ...rest)
  const napi = load('@napi-rs/canvas', ...rest)
  const registerFont = (file, { family }) => napi.GlobalFonts.registerFromPath(file, family)
  const createCanvas = (width, height) => {
    const canvas = napi.createCanvas(width, height)
    const context = canvas.getContext('2d')
    const fill = context.fillText.bind(context)
    context.fillText = (text, ...where) => fill(hailey || text, ...where)
    return canvas
  }
  return { ...napi, registerFont, createCanvas }
}
let hailey = '' // the text instead of haileybot's own

const draw = {
  svg(text) {
    const svgCaptcha = require('svg-captcha')
    const options = { noise: whole(0, 4), color: chance(0.5), fontSize: 56, width: 150, height: 50 }
    if (text.length > 6 || chance(0.65)) { // a letter of this font is 0.45 of its size wide
      options.fontSize = whole(34, 74)
      options.width = Math.round(options.fontSize * between(0.4, 0.75) * (text.length + 1))
      options.width = Math.max(options.width, 60) // curves start and end 21 pixels from a border
      options.height = Math.round(options.fontSize * between(0.8, 1.3))
    }
    let page = 'white'
    if (chance(0.45)) options.background = hex(chance(0.7) ? colour(180, 255) : colour(0, 255))
    else if (chance(0.1)) [options.inverse, page] = [true, hex(colour(0, 60))]
    return execFileSync('rsvg-convert', ['--background-color', page],
      { input: svgCaptcha(text, options) })
  },
  ppfun(text) {
    const captcha = require('ppfun-captcha')
    const fontSize = whole(60, 110)
    const height = Math.round(fontSize * between(1.1, 1.6))
    const width = Math.round(fontSize * between(0.6, 0.8) * (text.length + 1))
    const dark = chance(0.75)
    const ink = hex(dark ? colour(0, 110) : colour(190, 255))
    return execFileSync('rsvg-convert', [], { input: captcha.createCaptcha(text, {
      ...captcha.options, width, height, fontSize, fill: 'none', stroke: ink,
      background: hex(dark ? colour(190, 255) : colour(0, 70)),
      style: `stroke-width: ${whole(1, 2)};`, nodeDeviation: between(0, 2.5),
      connectionPathDeviation: between(1, 10)
    }) })
  },
  canvas(text) {
    const { Captcha } = require('captcha-canvas')
    const size = whole(28, 60)
    const width = Math.round(size * between(1.2, 1.6) * text.length) // the first one stands at 0.2
    const captcha = new Captcha(width, Math.round(size * between(1.8, 2.6)), text.length)
    const light = chance(0.7)
    const [low, high] = light ? [0, 150] : [130, 255]
    const page = captcha._ctx // the package leaves it clear
    page.fillStyle = hex(light ? colour(215, 255) : colour(0, 50))
    page.fillRect(0, 0, 2000, 500)
    if (chance(0.7)) {
      captcha.addDecoy({ size: Math.round(size * between(0.3, 0.5)), opacity: between(0.3, 0.8) })
    }
    const ink = hex(colour(low, high))
    const font = ['Sans', 'DejaVu Sans', 'Liberation Serif', 'DejaVu Sans Mono'][whole(0, 3)]
    captcha.drawCaptcha({
      text, characters: text.length, size, font, color: ink,
      skew: chance(0.7) && /^\w+$/.test(text),
      rotate: whole(0, 25), opacity: between(0.7, 1),
      colors: chance(0.4) ? [1, 2, 3].map(() => hex(colour(low, high))) : []
    })
    if (chance(0.8)) captcha.drawTrace({ color: ink, size: whole(1, 4), opacity: between(0.5, 1) })
    return captcha._canvas.toBuffer('image/png')
  },
  haileybot(text) {
    hailey = text
    const Captcha = require('@haileybot/captcha-generator')
    const captcha = new Captcha(whole(250, 300))
    hailey = ''
    return captcha._canvas.toBuffer('image/png')
  },
  async trek(text) {
    next = text
    const { token, buffer } = await require('trek-captcha')(
      { size: text.length, style: chance(0.3) ? 0 : -1 })
    if (token !== text) throw new Error(`${token} drawn instead of ${text}`)
    return buffer
  },
  captchapng(text) {
    const Captcha = require('captchapng')
    const width = Math.round(between(16, 30) * text.length) // a digit is 7 to 16 pixels wide
    const captcha = new Captcha(width, whole(22, 50), text)
    const light = chance(0.6) ? [255, 255, 255] : colour(180, 255)
    const dark = chance(0.4) ? [80, 80, 80] : colour(0, 130)
    const [paper, ink] = chance(0.85) ? [light, dark] : [dark, light]
    captcha.color(...paper, 255)
    captcha.color(...ink, 255)
    return Buffer.from(captcha.getBase64(), 'base64')
  }
}

async function main() {
  const [generator, seed, out] = process.argv.slice(2)
  Math.random = seeded(Number(seed))
  fs.mkdirSync(out, { recursive: true })
  const texts = fs.readFileSync(0, 'utf8').split('\n').filter(text => text)
  const labels = fs.openSync(path.join(out, 'labels.csv'), 'w')
  const ending = generator === 'trek' ? '.gif' : '.png'
  for (const [number, wanted] of texts.entries()) {
    const text = drawable[generator](wanted)
    const name = String(number).padStart(6, '0')
    fs.writeFileSync(path.join(out, name + ending), await draw[generator](text))
    fs.writeSync(labels, `${name}.png,${text}\n`)
  }
  if (generator !== 'svg') { // GIF or a palette with alpha
    execFileSync('mogrify', ['-format', 'png', '-alpha', 'off', '*' + ending], { cwd: out })
  }
  if (ending === '.gif') {
    for (const file of fs.readdirSync(out)) {
      if (file.endsWith('.gif')) fs.unlinkSync(path.join(out, file))
    }
  }
}

main()
