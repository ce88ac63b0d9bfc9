# Draw captchas with GD::SecurityImage.
#
# Command:  perl security_image.pl SEED OUT FONT... < texts.txt
# Needs:    apt-get install libgd-securityimage-perl
# Writes:   OUT/<number>.png and OUT/labels.csv: name,text
use strict;
use warnings;
use utf8;
use open qw(:std :utf8);
use File::Path 'make_path';
use GD::SecurityImage;
use List::Util 'max';

sub between { my ($low, $high) = @_; return $low + rand($high - $low) }
sub whole { return int between($_[0], $_[1] + 1) }
sub colour { my ($low, $high) = @_; return [map { whole($low, $high) } 1 .. 3] }

sub apart {  # the largest difference of two colours in a channel
    my ($one, $other) = @_;
    return max(map { abs($one->[$_] - $other->[$_]) } 0 .. 2);
}

sub captcha {
    my ($text, @fonts) = @_;
    my $size = between(14, 30);    # points: 4/3 pixels
    my $scramble = rand() < 0.45;  # letters turned by up to 56 degrees, two widths of an A apart
    my $wide = $scramble ? 2.1 : between(0.95, 1.3);
    my $width = int($size * ($wide * length($text) + 1.5));
    my $height = int($size * ($scramble ? between(2.9, 3.6) : between(1.8, 3)));
    my $style = (qw(default rect box circle ellipse ec blank))[rand 7];
    my ($paper, $ink) = (colour(170, 255), colour(0, 110));
    ($paper, $ink) = ($ink, $paper) if rand() < 0.15;
    my ($line, $lines, $thickness) = (colour(0, 255), whole(3, 16), rand() < 0.8 ? 1 : 2);
    $line = colour(0, 255) while apart($line, $ink) < 80;
    ($line, $lines, $thickness) = ($ink, whole(3, 8), 1) if rand() < 0.2;
    ($line, $lines) = ($paper, whole(1, 4)) if $style eq 'box';  # a frame of ink around paper
    my $image = GD::SecurityImage->new(
        width => $width, height => $height, font => $fonts[rand @fonts], ptsize => $size,
        scramble => $scramble, angle => $scramble || rand() < 0.6 ? 0 : whole(-4, 4),
        bgcolor => $paper, lines => $lines, thickness => $thickness,
        frame => rand() < 0.7 ? 1 : 0,
        send_ctobg => rand() < 0.3 ? 1 : 0, rndmax => 1, rnd_data => [$text]);
    $image->random;
    $image->create(ttf => $style, $ink, $line);
    if (rand() < 0.7) {  # dots: under its default, 20 a column, a person can't read the text
        my ($most, $dots) = (0.2 * $width * $height, rand() < 0.8 ? 1 : 2);
        $image->particle(1 + int($most / $dots * rand()**2), $dots);
    }
    return ($image->out(force => 'png'))[0];
}

my ($seed, $out, @fonts) = @ARGV;
srand $seed;
make_path($out);
open my $labels, '>', "$out/labels.csv" or die "$out/labels.csv: $!\n";
my $number = 0;
while (my $text = <STDIN>) {
    chomp $text;
    my $name = sprintf '%06d.png', $number++;
    open my $file, '>:raw', "$out/$name" or die "$out/$name: $!\n";
    print $file captcha($text, @fonts);
    print $labels "$name,$text\n";
}
