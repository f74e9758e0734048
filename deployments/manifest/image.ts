const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
/** As Docker tells a registry from the first part of a name: it has a dot or a port, or is localhost. */
const host = '(?:localhost|[A-Za-z0-9-]+(?:\\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:)|\\[[0-9A-Fa-f:]+\\])(?::\\d{1,5})?';
const reference = new RegExp(`^(?:${host}/)?${component}(?:/${component})*(?::[\\w][\\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`);

export type Image = { readonly image: string } | { readonly message: string; readonly hint: string };

/**
 * The image as the engine takes it: trimmed, a leading `$NAME` replaced by the variable (a parent registry), `:latest` where neither tag nor
 * digest is given.
 */
export function readImage(text: string, environment: Readonly<Record<string, string | undefined>>): Image {
  let image = text.trim();
  const variable = /^\$([A-Za-z_]\w*|\{[A-Za-z_]\w*\})/.exec(image);
  if (variable) {
    const name = variable[1]!.replace(/[{}]/g, '');
    const value = environment[name];
    if (value === undefined) {
      const hint = `write the registry itself, or give ${name} to the gateway`;
      return { message: `image: "${image}" begins with the variable ${name}, which is not set here`, hint };
    }
    image = value + image.slice(variable[0].length);
  }
  if (!reference.test(image)) {
    const lower = image.toLowerCase();
    const hint = reference.test(lower) && lower !== image ? `names of images are in small letters: ${lower}` : 'write registry/name:tag';
    return { message: `image: "${image}" is not the name of an image`, hint };
  }
  const name = image.slice(image.lastIndexOf('/') + 1);
  return { image: name.includes(':') || image.includes('@') ? image : `${image}:latest` };
}
