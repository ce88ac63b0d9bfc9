"""The documents agree with the project and with each other: links, names, options, figures."""
import ast
import functools
import pathlib
import re

import pytest

import captcha_train
from support.captcha import models

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENTS = ['README.md', 'README.zh.md', 'CONTRIBUTING.md',
             *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob('docs/*.md'))]
ENGLISH = [name for name in DOCUMENTS if name != 'README.zh.md']
FOLDERS = 'nets', 'support', 'tests', 'benchmarks', 'docs', 'data', 'samples'  # of the repository
GENERATED = {'samples/5.read.png'}
SCRIPTS = [*ROOT.glob('*.py')]
MODULES = [*SCRIPTS, *ROOT.glob('nets/*.py'), *ROOT.glob('support/**/*.py')]
SOURCES = 'py', 'md', 'txt'
NO_ATTRIBUTES = *SOURCES, 'json', 'csv', 'tflite'  # `dataset.json` is no name in dataset.py


# --- reading the documents

def read(name):
    return (ROOT / name).read_text(encoding='utf-8')


def code_and_prose(text):
    """(code spans and logical lines of code blocks, the rest) of a document."""
    lines = []

    def take(block):
        lines.extend(block[0].strip('`\n').replace('\\\n', ' ').splitlines())
        return '\n'
    prose = re.sub(r'^```.*?^```', take, text, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r'(?:^    .*\n)+', take, prose, flags=re.MULTILINE)
    spans = re.findall(r'`([^`]+)`', prose)
    return [' '.join(piece.split()) for piece in lines + spans], re.sub(r'`[^`]+`', '', prose)


def anchors(text):
    """The anchors that a document's headings have, as GitHub makes them."""
    headings = re.findall(r'^#+ (.*)$', re.sub(r'^```.*?^```', '', text,
                                               flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def numbers(text):
    return set(re.findall(r'(?<![\d.,])\d+(?:,\d{3})*(?:\.\d+)?', text))


def percentages(text):
    """The numbers of '97.0 %', '96.6 to 98.4 %', '97.0 and 96.0 %'."""
    return set(re.findall(
        r'(?<![\d.,])(\d+(?:\.\d+)?)(?=(?:(?: and| to| against) \d+(?:\.\d+)?)* ?%)', text))


# --- reading the sources

@functools.cache
def options_of(path):
    """The options that a script takes: its own and those of the support modules behind it."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    found = {'--help'} | own_options(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'support':
            place = ROOT / node.module.replace('.', '/')  # a package, or the module of the names
            for module in place.with_suffix('.py'), *(place / f'{a.name}.py' for a in node.names):
                if module.is_file():
                    found |= options_of(module)
    if path.name == 'launch.py':  # which hands on the options of its trainer
        found |= options_of(path.with_name('train.py'))
    return found


def modules_named(name):
    """The modules that `name.attribute` in a document may mean; `cluster` is a package."""
    return [path for path in MODULES
            if name == (path.parent.name if path.stem == '__init__' else path.stem)]


def own_options(tree):
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == 'add_argument':
            names = {argument.value for argument in node.args
                     if isinstance(argument, ast.Constant) and argument.value.startswith('--')}
            found |= names
            if any(keyword.arg == 'action' and 'BooleanOptional' in ast.unparse(keyword.value)
                   for keyword in node.keywords):
                found |= {name.replace('--', '--no-') for name in names}
    return found


def names_in(path):
    """The names that a module and its classes define; of a package, its modules too."""
    names = {inner.stem for inner in path.parent.iterdir() if path.stem == '__init__'}
    for node in ast.parse(path.read_text(encoding='utf-8')).body:
        targets = getattr(node, 'targets', [getattr(node, 'target', node)])
        names |= {part.id for target in targets for part in ast.walk(target)
                  if isinstance(target, (ast.Name, ast.Tuple)) and isinstance(part, ast.Name)}
        names.add(getattr(node, 'name', None))
        if isinstance(node, ast.ClassDef):
            names |= {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return names


def script_named(name):
    """The file of a script that a command names, or None."""
    path = ROOT / (name.replace('.', '/') + '.py' if name.startswith('support.') else name)
    return path if path.is_file() else None


# --- tests

@pytest.mark.parametrize('document', DOCUMENTS)
def test_every_relative_link_leads_somewhere(document):
    links = re.findall(r'\]\(([^)\s]+)\)', read(document))
    assert links
    for link in links:
        if re.match('https?:', link):
            continue
        name, _, anchor = link.partition('#')
        target = (ROOT / document).parent / name if name else ROOT / document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding='utf-8')), link


@pytest.mark.parametrize('document', DOCUMENTS)
def test_every_file_named_exists(document):
    code, _ = code_and_prose(read(document))
    known = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob('*')}
    known |= {path.name for path in ROOT.iterdir()}
    checked = 0
    for piece in code:
        for name in re.findall(r'(?<![\w./<>-])[\w-][\w./-]*\w', piece):
            folder, slash, _ = name.partition('/')
            if name in GENERATED:
                continue
            if slash and folder in FOLDERS:
                assert (ROOT / name).exists(), name
            elif not slash and name.rpartition('.')[2] in SOURCES and '.' in name:
                assert name in known, name
            else:
                continue
            checked += 1
    assert checked


@pytest.mark.parametrize('document', DOCUMENTS)
def test_every_function_named_exists(document):
    code, _ = code_and_prose(read(document))
    for piece in code:
        for module, name in re.findall(r'(?<![\w./-])([a-z_0-9]+)\.([A-Za-z_]\w*)', piece):
            modules = modules_named(module)
            if modules and name not in NO_ATTRIBUTES:
                assert any(name in names_in(path) for path in modules), f'{module}.{name}'


def test_every_import_shown_works():
    shown = [match for document in DOCUMENTS for piece in code_and_prose(read(document))[0]
             for match in re.findall(r'\bfrom ([\w.]+) import (\w+(?:, \w+)*)', piece)]
    assert len(shown) >= 6
    for package, names in shown:
        names = [name for name in names.split(', ') if not name.startswith('my_')]
        module = __import__(package, fromlist=names)
        assert all(hasattr(module, name) for name in names), f'{package}: {names}'


@pytest.mark.parametrize('document', DOCUMENTS)
def test_every_option_named_is_one_of_its_script(document):
    code, _ = code_and_prose(read(document))
    every = set().union(*map(options_of, [*SCRIPTS, *ROOT.glob('benchmarks/*.py')]))
    checked = 0
    for piece in code:
        if re.match(r'(\$ )?(pip|tensorboard|git) ', piece):
            continue
        script = None
        for word in piece.split('#')[0].split():
            word = word.strip('[]():,;')
            if re.fullmatch(r'[\w/]+\.py|support(\.\w+)+', word):
                script = script_named(word) or script
                assert script or not piece.startswith('python '), piece
            elif option := re.match(r'--[a-z][\w-]*', word):
                assert option[0] in (options_of(script) if script else every), piece
                checked += 1
    assert checked or document.endswith('speed.md')


@pytest.mark.parametrize('document', DOCUMENTS)
def test_every_make_target_named_exists(document):
    code, _ = code_and_prose(read(document))
    targets = re.findall(r'^([\w-]+):', read('Makefile'), re.MULTILINE)
    for piece in code:
        if made := re.match(r'(?:time )?make ([\w-]+)', piece):
            assert made[1] in targets, piece


def test_the_documents_name_every_module():
    text = ' '.join(map(read, ENGLISH))
    for path in MODULES:
        name = path.relative_to(ROOT).as_posix()
        assert path.stem == '__init__' or re.search(rf'(?<![\w/]){re.escape(name)}', text), name


def test_figures_of_the_readme_stand_in_the_documents():
    _, prose = code_and_prose(read('README.md'))
    documents = ' '.join(read(name) for name in ENGLISH if name != 'README.md')
    found = percentages(prose)
    assert len(found) >= 6
    assert found <= percentages(documents)


def test_the_chinese_readme_has_the_figures_of_the_english_documents():
    _, prose = code_and_prose(read('README.zh.md'))
    prose = re.sub(r'\]\([^)]*\)', ']', prose)
    english = ' '.join(map(read, ENGLISH))
    found = percentages(prose)
    assert len(found) >= 15
    assert found <= percentages(english)
    figures = {number for number in numbers(prose) if re.search('[.,]', number)}
    minutes = re.findall(r'([\d.]+)(?= 分钟| 到 [\d.]+ 分钟)', prose)
    assert len(figures) >= 20 and len(minutes) >= 5
    assert figures | set(minutes) <= numbers(english)


def test_what_counts_as_a_figure():
    assert percentages('95.6 against 96.6 %, 12 of 13, 100% and 7 to 8.5 %') == {
        '95.6', '96.6', '100', '7', '8.5'}
    assert numbers('1,001 of 0.0003; v2.21.') == {'1,001', '0.0003', '2.21'}


def test_the_commands_of_the_trainer_s_docstring_each_have_a_folder():
    commands = re.findall(r'python captcha_train\.py(.*)$', captcha_train.__doc__, re.MULTILINE)
    found = [re.search(r'--model-dir (\S+)', command) for command in commands]
    folders = [match[1] if match else models.MODEL_DIR for match in found]
    assert len(folders) >= 4 and len({*folders}) == len(folders)  # one after the other they run
