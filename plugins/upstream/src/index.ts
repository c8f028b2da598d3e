// The public face of @plugboard/upstream: the plugin itself. Everything else is its own business.
export { default } from './plugin.ts';
