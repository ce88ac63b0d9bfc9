"""Both pages of examples/ in headless Chromium: every key and button, closing and resuming.

Command:  python benchmarks/page.py [--screenshots FOLDER]
Reads:    models/general and models/mnist; captchas that it draws
Writes:   a line for each step on stdout; all else in a temporary folder
Takes:    two minutes, most of them a training of two iterations
Needs:    Debian's chromium and chromium-driver; pip install selenium -r examples/requirements.txt
"""
import contextlib
import csv
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import gen_captcha
from support.common import console

SAMPLE = os.path.join(ROOT, 'samples', 'captchas')
WAIT = 900  # seconds at most
# Drops a file whose bytes are given, and draws a 7, as a mouse does.
DROP = """const transfer = new DataTransfer();
transfer.items.add(new File([new Uint8Array(arguments[0])], 'one.jpg'));
element('drop').dispatchEvent(new DragEvent('drop', {dataTransfer: transfer}));"""
WIDTHS = {'': (900, 1000), '-phone': (390, 844)}  # of screenshots


@contextlib.contextmanager
def browser():
    """A headless Chromium; None, after a line, if there is none."""
    programs = [shutil.which(name) for name in ('chromium', 'chromedriver')]
    if not (all(programs) and all(map(importlib.util.find_spec, ('selenium', 'flask')))):
        print('skipped: needs chromium, chromium-driver, selenium and examples/requirements.txt')
        yield None
        return
    from selenium import webdriver
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    options.add_argument('--headless=new')
    options.add_argument('--no-sandbox')  # which refuses root; only our own pages are opened
    driver = webdriver.Chrome(options, webdriver.ChromeService(programs[1]))
    try:
        yield driver
    finally:
        driver.quit()


@contextlib.contextmanager
def page(driver, script, *arguments):
    """Start a script of examples/ and open the address that it prints."""
    service = subprocess.Popen([sys.executable, os.path.join(ROOT, 'examples', script),
                                *arguments], stdout=subprocess.PIPE, text=True)
    try:
        driver.get(service.stdout.readline().strip())
        yield
    finally:
        service.terminate()
        service.communicate()


class Driven:
    """A page in the browser: what a person sees and does."""

    def __init__(self, driver):
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys
        from selenium.webdriver.support.ui import WebDriverWait
        self.driver, self.keys, self.chain = driver, Keys, ActionChains
        self.waiting = WebDriverWait(driver, WAIT)

    def part(self, name):
        return self.driver.find_element('id', name)

    def wait(self, condition, what):
        self.waiting.until(lambda _: condition(), what)
        print(f'ok: {what}', flush=True)

    def accept(self, counts):
        """Press Enter until each of these counts of labels is shown."""
        for count in counts:
            self.waiting.until(lambda _: self.part('text').is_displayed())
            self.press(self.keys.ENTER)
            self.waiting.until(lambda _: self.has_labels(count))

    def has_labels(self, count):
        return self.part('count').text.startswith(f'{count} label')

    def press(self, *keys):
        self.chain(self.driver).send_keys(*keys).perform()

    def shoot(self, folder, name):
        """Screenshots, of a wide window and of a phone's width."""
        for suffix, size in WIDTHS.items() if folder else ():
            self.driver.set_window_size(*size)
            self.driver.save_screenshot(os.path.join(folder, f'{name}{suffix}.png'))


def answers(folder):
    """{name: text} of the labels.csv of a folder of pictures."""
    with open(f'{folder}_labelled/labels.csv', encoding='utf-8', newline='') as file:
        return dict(list(csv.reader(file))[1:])


def label(driver, folder, shots):
    """Drive the labelling page."""
    seen, options = Driven(driver), [folder, '--steps', '2']
    keys = seen.keys
    with page(driver, 'label.py', *options):
        seen.wait(lambda: seen.part('text').is_displayed(), 'a picture with its reading is shown')
        seen.accept(range(1, 6))
        seen.press('9753', keys.ENTER)
        seen.wait(lambda: seen.has_labels(6), 'five labelled, one corrected')
        assert [*answers(folder).values()][-1] == '9753'
        seen.press(keys.ARROW_UP)
        seen.wait(lambda: seen.part('text').get_attribute('value') == '9753', 'gone back')
        seen.press('9754', keys.ENTER)
        seen.wait(lambda: '9754' in answers(folder).values(), 'corrected there')
        seen.press(keys.BACKSPACE, keys.BACKSPACE)
        seen.wait(lambda: seen.part('text').get_attribute('value') == '9754',
                  'gone back with Backspace')
        seen.press(keys.ARROW_DOWN)
        seen.wait(lambda: not seen.part('last').find_elements('class name', 'now'), 'and forward')
        seen.press(keys.ESCAPE)
        seen.wait(lambda: '1 skipped' in seen.part('count').text, 'one skipped')
        seen.wait(lambda: '1 file left out' in seen.part('broken').text, 'a broken file is named')
        before = answers(folder)
    with page(driver, 'label.py', *options):
        seen.wait(lambda: seen.has_labels(6), 'closed and resumed')
        assert answers(folder) == before
        seen.accept(range(7, 13))
        seen.waiting.until(lambda _: seen.part('text').is_displayed())
        seen.shoot(shots, 'label')
        seen.accept(range(13, 36))
        assert not seen.part('train').is_enabled()
        seen.accept([36])
        seen.wait(lambda: seen.part('train').is_enabled(), 'enough to train')
        seen.part('train').click()
        seen.wait(lambda: seen.part('stop').is_displayed(), 'training')
        seen.shoot(shots, 'train')
        seen.wait(lambda: 'network-1' in seen.part('words').text, 'trained')
        seen.shoot(shots, 'trained')
    assert os.path.isfile(f'{folder}_labelled/network-1/network.tflite')


def check(driver, folder, wrong, shots):
    """Drive the page that checks labels. Args: wrong: the name of a picture with a wrong one."""
    seen = Driven(driver)
    keys = seen.keys
    with page(driver, 'label.py', '--check', folder):
        seen.wait(lambda: seen.part('text').is_displayed(), 'a doubtful label is shown')
        for count in range(1, 6):  # other labels of which the network is sure come earlier
            if seen.part('text').get_attribute('value') == wrong[:4]:
                break
            seen.press(keys.ENTER)
            seen.wait(lambda: f'{count} checked' in seen.part('count').text, 'a label kept')
        seen.shoot(shots, 'check')
        reading = seen.part('reading').text
        seen.press(keys.TAB)
        seen.wait(lambda: f'{count} checked' in seen.part('count').text, 'the reading taken')
        assert answers(folder)[wrong] in reading and answers(folder)[wrong] != wrong[:4]


def read(driver, shots):
    """Drive the reading page."""
    seen, name = Driven(driver), min(os.listdir(SAMPLE))
    with page(driver, 'serve.py', '--port', '0'):
        with open(os.path.join(SAMPLE, name), 'rb') as file:
            driver.execute_script(DROP, list(file.read()))
        seen.wait(lambda: seen.part('captcha').text.startswith(name[:4]), 'a captcha dropped')
        pen = seen.chain(driver).move_to_element_with_offset(seen.part('canvas'), -50, -70)
        for to in (100, 0), (-60, 150):
            pen.click_and_hold().move_by_offset(*to)
        pen.release().perform()
        seen.wait(lambda: seen.part('digits').text.startswith('7'), 'a digit drawn')
        seen.shoot(shots, 'serve')
        driver.execute_script(DROP, [1, 2, 3])
        seen.wait(lambda: 'expected a picture' in seen.part('captcha').text, 'a broken one')


def main():
    parser = console.parser(__doc__)
    parser.add_argument('--screenshots', metavar='FOLDER', help='for pictures of the pages')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as top, browser() as driver:
        if driver is None:
            return
        folder = os.path.join(top, 'pictures')
        gen_captcha.gen_captcha(folder, 40, seed=1, workers=1)
        with open(os.path.join(folder, 'broken.png'), 'w', encoding='ascii') as file:
            file.write('no picture')
        read(driver, args.screenshots)
        label(driver, folder, args.screenshots)
        os.remove(os.path.join(folder, 'broken.png'))
        right = min(os.listdir(folder))
        wrong = '0000' + right[4:]
        labelled = os.path.join(top, 'labelled')
        os.rename(folder, labelled)
        os.rename(os.path.join(labelled, right), os.path.join(labelled, wrong))
        check(driver, labelled, wrong, args.screenshots)


if __name__ == '__main__':
    console.run(main)
