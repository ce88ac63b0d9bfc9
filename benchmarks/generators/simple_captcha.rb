# Draw captchas in the eight styles of ruby-simple-captcha2, with ImageMagick as that package does.
#
# Command:  ruby simple_captcha.rb SEED OUT FONT... < texts.txt
# Needs:    apt-get install ruby-simple-captcha2 imagemagick
# Writes:   OUT/<number>.png and OUT/labels.csv: name,text
require 'fileutils'
require 'active_support'
require 'active_support/core_ext/module/attribute_accessors'
require 'simple_captcha/image'

seed, out, *fonts = ARGV
FileUtils.mkdir_p(out)
srand(seed.to_i)
images = SimpleCaptcha::ImageHelpers
File.open(File.join(out, 'labels.csv'), 'w') do |labels|
  $stdin.each_line(chomp: true).with_index do |text, number|
    name = format('%06d.png', number)
    size = rand < 0.5 ? 22 : rand(16..40) # points; the package has 22
    width = (size * (text.length * (0.8 + 0.4 * rand) + 1.2)).round
    width, height = text.length < 6 && size == 22 && rand < 0.5 ? [100, 28] : [width, size * 5 / 4]
    noise = rand < 0.25 ? rand(1..60) : 0
    options = images.image_params('random').flat_map(&:split) +
              ['-size', "#{width}x#{height}", '-wave', images.distortion('random').join('x'),
               '-gravity', 'Center', '-pointsize', size.to_s,
               '-implode', images::IMPLODES.values.sample.to_s]
    options += ['-font', fonts.sample] if rand < 0.8
    options << "label:#{text}"
    options += ['-evaluate', 'Uniform-noise', noise.to_s] if noise.positive?
    system('convert', *options, File.join(out, name), exception: true)
    labels.puts("#{name},#{text}")
  end
end
