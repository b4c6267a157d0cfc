// A plugin of typedoc (npm run docs): what the library's users do not see is left out, and what is documented as a whole needs no more.

import { Converter, ReflectionKind } from 'typedoc';

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const alias of project.getReflectionsByKind(ReflectionKind.TypeAlias)) {
      // Generated messages are types, and encoders of the same name, of which only the types are exported.
      if (alias.type?.type === 'reference' && alias.type.name === 'MessageFns') project.removeReflection(alias);
    }
  });
  app.converter.on(Converter.EVENT_END, ({ project }) => {
    const known = app.options.getValue('intentionallyNotDocumented');
    app.options.setValue('intentionallyNotDocumented', [...new Set([...known, ...membersOfUnions(project)])]);
  });
}

/** The properties of a union's members, such as events, where every member has a comment. */
function membersOfUnions(project) {
  return project
    .getReflectionsByKind(ReflectionKind.TypeAlias)
    .filter(({ type }) => type?.type === 'union' && type.elementSummaries?.every((summary) => summary.length > 0))
    .flatMap(({ type }) => type.types.filter((member) => member.type === 'reflection'))
    .flatMap(({ declaration }) => declaration.children ?? [])
    .filter((property) => !property.hasComment())
    .map((property) => property.getFriendlyFullName());
}
