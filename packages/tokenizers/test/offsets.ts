/** Where each code unit of a text lies in code points, and where the text ends. */
export function codePointPlaces(text: string): number[] {
  const places: number[] = [];
  let place = 0;
  for (const character of text) {
    places.push(place++);
    if (character.length === 2) places.push(place);
  }
  return [...places, place];
}
