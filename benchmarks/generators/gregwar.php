<?php
// Draw captchas with Gregwar/Captcha.
//
// Command:  php gregwar.php SEED OUT FONT... < texts.txt
// Needs:    apt-get install php-cli php-gd php-gregwar-captcha
// Writes:   OUT/<number>.png and OUT/labels.csv: name,text
error_reporting(E_ALL & ~E_DEPRECATED);  // the package passes fractions for whole numbers
require '/usr/share/php/Gregwar/Captcha/autoload.php';

function chance($share)
{
    return mt_rand() < $share * mt_getrandmax();
}

function between($low, $high)
{
    return $low + ($high - $low) * mt_rand() / mt_getrandmax();
}

function colour($low, $high)
{
    return [mt_rand($low, $high), mt_rand($low, $high), mt_rand($low, $high)];
}

function captcha($text, $fonts)
{
    $length = mb_strlen($text);
    $builder = new Gregwar\Captcha\CaptchaBuilder($text);
    $builder->setDistortion(chance(0.8))->setInterpolation(chance(0.75));
    $builder->setIgnoreAllEffects(chance(0.08));
    if (chance(0.35)) {
        $builder->setMaxAngle(mt_rand(0, 20))->setMaxOffset(mt_rand(0, 5));
    }
    if (chance(0.4)) {
        $builder->setMaxBehindLines(mt_rand(0, 4))->setMaxFrontLines(mt_rand(0, 4));
    }
    if (chance(0.35)) {  // without colours of its own, the package inverts half of the pictures
        [$light, $dark] = [colour(170, 255), colour(0, 110)];
        [$paper, $ink] = chance(0.75) ? [$light, $dark] : [$dark, $light];
        $builder->setBackgroundColor(...$paper);
        chance(0.7) && $builder->setTextColor(...$ink);
        chance(0.3) && $builder->setLineColor(...colour(0, 255));
        if ($paper === $dark) {
            $builder->setTextColor(...$ink);
        }
    }
    $size = between(18, 42);  // the package takes width / length for the height of letters
    [$width, $height] = [round($size * $length), max(30, round($size / between(0.4, 0.75)))];
    if (in_array($length, [5, 6]) && chance(0.4)) {
        [$width, $height] = [150, 40];
    }
    $plain = preg_match('/^[0-9a-zA-Z]+$/', $text) && chance(0.5);  // its fonts lack some signs
    $builder->build($width, $height, $plain ? null : $fonts[array_rand($fonts)]);
    return chance(0.5) ? imagecreatefromstring($builder->get(mt_rand(60, 95))) : $builder->getGd();
}

[$seed, $out] = [(int) $argv[1], $argv[2]];
mt_srand($seed);
is_dir($out) || mkdir($out, 0777, true);
$labels = fopen("$out/labels.csv", 'w');
foreach (file('php://stdin', FILE_IGNORE_NEW_LINES) as $number => $text) {
    $name = sprintf('%06d.png', $number);
    imagepng(captcha($text, array_slice($argv, 3)), "$out/$name");
    fwrite($labels, "$name,$text\n");
}
