// docs/cli.md: the tables of commands are made of the program's own definitions, the prose between them is written by hand and stays.

/** The page with its tables made anew. `page`: its text so far. */
export function cliPage(page, program) {
  const parts = page.split(/^(?=## )/m);
  const sections = new Map(parts.slice(1).map((text) => [text.slice(3, text.indexOf('\n')), text]));
  const written = leavesOf(program, '').map(([name, command]) => {
    const prose = proseOf(sections.get(`\`${name}\``) ?? '');
    const given = command.registeredArguments.map((each) => [nameOf(each), each.description]);
    const options = command.options.map((each) => [each.flags, each.description]);
    const tables = [tableOf('argument', given), tableOf('option', options)];
    return [`## \`${name}\``, command.description(), ...tables, prose].filter((text) => text !== '').join('\n\n');
  });
  return `${parts[0]}${sections.get('Exit codes').trimEnd()}\n\n${written.join('\n\n')}\n`;
}

/** Commands that do something, by their full name. */
function leavesOf(command, before) {
  const name = `${before}${command.name()}`;
  const shown = command.commands.filter((each) => !each._hidden);
  return shown.length === 0 ? [[name, command]] : shown.flatMap((each) => leavesOf(each, `${name} `));
}

function nameOf(argument) {
  const name = argument.variadic ? `${argument.name()}...` : argument.name();
  return argument.required ? `<${name}>` : `[${name}]`;
}

function tableOf(title, rows) {
  if (rows.length === 0) return '';
  return [`| ${title} | meaning |`, '|---|---|', ...rows.map(([name, meaning]) => `| \`${name}\` | ${meaning} |`)].join(
    '\n',
  );
}

/** What a section says besides its heading, its first line and its tables. */
function proseOf(section) {
  return section
    .replace(/^## .*\n\n.*\n\n/, '')
    .replace(/^\| (?:argument|option) \|.*\n(?:\|.*\n?)*\n?/gm, '')
    .trim();
}
