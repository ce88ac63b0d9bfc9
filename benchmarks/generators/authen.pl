# Draw captchas with Authen::Captcha.
#
# Command:  perl authen.pl SEED OUT < texts.txt
# Needs:    apt-get install libauthen-captcha-perl
# Writes:   OUT/<number>.png and OUT/labels.csv: name,text
#
# It has bitmaps of 2-9 and a-z, 25x35 each.
use strict;
use warnings;
use Authen::Captcha;
use File::Path 'make_path';

my ($seed, $out) = @ARGV;
srand $seed;
make_path($out);
open my $labels, '>', "$out/labels.csv" or die "$out/labels.csv: $!\n";
my ($captcha, $number) = (Authen::Captcha->new, 0);
while (my $text = <STDIN>) {
    chomp $text;
    my $name = sprintf '%06d.png', $number++;
    open my $file, '>:raw', "$out/$name" or die "$out/$name: $!\n";
    print $file ${ $captcha->create_image_file($text) };
    print $labels "$name,$text\n";
}
